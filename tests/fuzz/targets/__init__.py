"""One module a parser. Its first line says what must hold; ``check`` holds it; ``seeds`` are where fuzzing begins."""
