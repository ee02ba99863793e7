"""What the command lines share: how they are begun, how they parse, and how they end."""
