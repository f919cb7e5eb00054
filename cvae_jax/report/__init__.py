"""Runs side by side: one page of tables, figures and sounds, and the tables as Markdown."""
