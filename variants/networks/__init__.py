"""Networks, registered by name. A backbone is a generator and a discriminator for any GAN; a denoiser is for diffusion."""
