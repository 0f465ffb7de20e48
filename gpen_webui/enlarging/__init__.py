"""Networks that enlarge and clean whole photos, and the files that fill them."""
