"""What several methods share: conditions, losses, observations, regularisers."""
