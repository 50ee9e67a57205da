"""How many, which ones, and the one place where a mask touches a weight."""
