"""What publishing takes: build, check and push one image; prepare GitHub's runner."""
