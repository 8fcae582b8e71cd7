"""Networks, registered by name. A backbone is a generator and a discriminator for any GAN. A denoiser is for diffusion, a translator for translation."""
