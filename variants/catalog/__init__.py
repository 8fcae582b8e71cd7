"""The table of variants. Each entry has a name, an idea, networks and the hyperparameters that differ from the defaults.

To add a variant of existing parts, add an entry to one of these files. Its registration gives it a name on the command line,
contract tests and a row in the report.
"""

from __future__ import annotations

# ruff: noqa: F401 (the import registers)
from variants import divergences as _divergences
from variants.networks import began as _began
from variants.networks import dcgan as _dcgan
from variants.networks import dcgan_deep as _dcgan_deep
from variants.networks import disco_conv as _disco_conv
from variants.networks import lucic as _lucic
from variants.networks import mlp as _mlp
from variants.networks import mlp_2d as _mlp_2d
from variants.networks import mlp_denoiser as _mlp_denoiser
from variants.networks import pix2pix_unet as _pix2pix_unet
from variants.networks import progressive as _progressive
from variants.networks import r3gan as _r3gan
from variants.networks import resnet as _resnet
from variants.networks import resnet_translator as _resnet_translator
from variants.networks import srresnet as _srresnet
from variants.networks import star as _star
from variants.networks import style as _style
from variants.networks import unet as _unet

# isort: off
from variants.catalog import core as _core  # the catalog lists entries in this order
from variants.catalog import losses as _losses
from variants.catalog import regularisers as _regularisers
from variants.catalog import architectures as _architectures
from variants.catalog import labelled as _labelled
from variants.catalog import autoencoders as _autoencoders
from variants.catalog import baselines as _baselines
from variants.catalog import packed as _packed
from variants.catalog import translation as _translation

# isort: on
from variants.catalog.entry import register_gan

__all__ = ["register_gan"]
