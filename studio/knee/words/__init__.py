"""From words to knees: what a clinician writes, understood phrase by phrase, and the images that fit it best."""
