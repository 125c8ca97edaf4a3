"""The environment inside others' trainers: one framework a file, imported only by whoever has it."""
