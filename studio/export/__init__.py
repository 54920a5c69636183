"""Synthetic images as files for others: pictures, a training set, DICOM; streamed, resumable, the same every time."""
