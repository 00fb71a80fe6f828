"""What makes one import line enough: each module patches one library, on its own, and says whether that worked."""
