"""Reports: tables, pictures, and one self-contained page for each job."""
