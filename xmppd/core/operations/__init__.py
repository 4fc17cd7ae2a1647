"""Operations of the kernel, and the catalogue of all."""
