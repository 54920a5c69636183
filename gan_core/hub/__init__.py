"""Models from elsewhere and to elsewhere: the Hugging Face Hub, and zips; and where they are kept on this computer."""
