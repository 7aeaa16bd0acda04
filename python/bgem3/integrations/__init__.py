"""Dense vectors in the frameworks' own classes: langchain, llama_index, haystack, chroma.

Each is a module of its own that needs its framework, and is imported by name only. All have a SentenceTransformer
inside: `options` are its arguments (dtype, threads, revision, prompts, truncate_dim and so on); documents get the
prompt "document" and queries the prompt "query" where the model has them; errors are those of its encode().
"""
