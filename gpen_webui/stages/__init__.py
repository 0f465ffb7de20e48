"""What one photo goes through, in order."""
