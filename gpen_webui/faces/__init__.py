"""Find faces in a photo, crop them upright, and put them back."""
