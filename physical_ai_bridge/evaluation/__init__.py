"""What a run was worth: its figures, its report and its film."""
