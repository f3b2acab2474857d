//! Reproducible initramfs images.
