"""What an answer is worth: official beside ours, rules before judges, and how options are laid out."""
