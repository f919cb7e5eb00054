"""Notes made by classic synthesis: the recipes, and the factors that they are drawn from."""
