// What the commands' help says beside their options: a first line, and examples.
#pragma once

namespace bgem3::cli {

inline constexpr const char* kProgramHelp = R"(Text to vectors on the CPU: bge-m3 and BERT sentence encoders.

Examples:
  bgem3 embed texts.txt -o vectors.npy            one vector a line
  bgem3 embed --model ./minilm < texts.txt        to standard output, as JSON lines
  bgem3 search passages.txt --query "how deep is the sea" --top 5
  bgem3 tokenize texts.txt | head                 token ids and byte offsets
  bgem3 chunk book.md > chunks.jsonl              a document in parts that fit the model
  bgem3 info --json                               the model, its files, this machine
  bgem3 pull                                      bge-m3 from the Hugging Face hub (2.3 GB)
  bgem3 verify                                    whether the model gives what it should here
  bgem3 cache list                                what bgem3 keeps on this disk
)";

inline constexpr const char* kProgramFooter =
    R"(Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but some records were rejected; 4 output cannot be written;
5 model cannot be loaded or pulled; 6, 7 pull --check: there is a newer revision, that bgem3 runs or does not; 130, 143 stopped by SIGINT, SIGTERM.
Results go to standard output, messages to standard error.)";

inline constexpr const char* kEmbedHelp = R"(Embed texts: one vector for each line or JSONL record.

Examples:
  bgem3 embed texts.txt -o vectors.npy
  bgem3 embed texts.txt --outputs dense,sparse,multi -o vectors.npz    # all three of bge-m3, from one pass
  bgem3 embed texts.txt --precision int8 -o vectors.npy                # a quarter of the bytes
  bgem3 embed corpus.jsonl --text-field body --id-field doc_id -o vectors.jsonl
  cat texts.txt | bgem3 embed --model ./minilm --threads 4 > vectors.jsonl
  bgem3 embed book.md --chunk 512 -o vectors.npy           # in chunks; vectors.chunks.jsonl has each row's
  bgem3 embed dirty.jsonl --on-error skip -o vectors.npy   # bad records: vectors.rejected.jsonl
)";

inline constexpr const char* kInputFooter =
    R"(Input: files are read one after the other; - is standard input. With --input-format auto, names that end in
.jsonl or .ndjson are JSONL; of other inputs but .txt and .md, those whose first line begins with '{'. What is not JSONL
is lines, or a document where documents are chunked. As lines, every line is a text, empty ones too. As document, the
whole file is one text with the file's name as its id. As JSONL, blank lines are passed over, a record without an id
gets its row (from 0, over all files), and records that are not valid UTF-8 are always rejected. A line or document may
have 64 MiB.)";

inline constexpr const char* kTokenizeHelp =
    R"(Show how texts become tokens: JSON lines with id, ids, tokens, offsets (bytes) and truncated.

Examples:
  bgem3 tokenize texts.txt
  echo "Hello world" | bgem3 tokenize --model ./minilm
  bgem3 tokenize corpus.jsonl --max-length 512 -o tokens.jsonl
)";

inline constexpr const char* kChunkHelp =
    R"(Cut documents into chunks that fit a model.

JSON lines: id, document, index, text, tokens, type, bytes, characters, headings. A file is one document, in JSONL each
record is one.

Examples:
  bgem3 chunk book.md
  bgem3 chunk corpus.jsonl --max 256 --overlap 32 -o chunks.jsonl
  bgem3 chunk notes.txt --unit characters --max 2000      # needs no model
)";

inline constexpr const char* kInfoHelp =
    R"(Show a model and how it would run here: sizes, files and hashes, precision, instruction sets, threads.

Examples:
  bgem3 info
  bgem3 info --model ./minilm --json
)";

inline constexpr const char* kSearchHelp = R"(Rank the texts of a corpus by their similarity to queries.

Examples:
  bgem3 search passages.txt --query "how deep is the sea"
  bgem3 search corpus.jsonl --query "tides" --query "moon" --top 3 --json
  bgem3 search corpus.jsonl --embeddings vectors.npy --query "tides"   # vectors of `bgem3 embed corpus.jsonl -o ...`
  bgem3 search corpus.jsonl --mode hybrid --weights 1,0.3,1 --query "tides"     # bge-m3's three outputs, weighted
  bgem3 search passages.txt --model ./e5 --query-prompt "query: " --passage-prompt "passage: " --query "tides"
)";

inline constexpr const char* kPullHelp =
    R"(Download a model from the Hugging Face hub into the cache that its other programs use too, and print its folder.

Only files that bgem3 reads, checked while they are written. Stopped at any moment, it goes on where it was.

Examples:
  bgem3 pull                                  # BAAI/bge-m3, the revision that bgem3 is tested with
  bgem3 pull BAAI/bge-small-en-v1.5           # main
  bgem3 pull BAAI/bge-m3@refs/pr/130          # a branch, a tag, a pull request or a commit
  bgem3 pull --check                          # is there a newer one? Downloads nothing
  HF_ENDPOINT=https://hub.example.com HF_TOKEN=... bgem3 pull org/private-model
)";

inline constexpr const char* kHistoryHelp =
    R"(Show the calls that a generator wrote to its history_path, and the latest beside the median of those before.

Examples:
  bgem3 history calls.db
  bgem3 history calls.db --last 100 --plot calls.svg
  bgem3 history calls.db --json
)";

inline constexpr const char* kVerifyHelp =
    R"(Check a model on this machine: files, structure, tokenizer, and what it computes.

bge-m3 is compared with its published digests, ids and values; any model with a fingerprint that was recorded before.

Examples:
  bgem3 verify
  bgem3 verify BAAI/bge-m3 --dtype f32,bf16,int8 --verbose
  bgem3 verify ./bge-m3-copy --published
  bgem3 verify ./minilm --record minilm.json           # here, once
  bgem3 verify ./minilm --against minilm.json --json   # there, or after an upgrade
)";

inline constexpr const char* kVerifyFooter =
    R"(Exit codes: 0 no check failed; 1 some check failed; 2 the fingerprint cannot be compared with.)";

inline constexpr const char* kCacheHelp =
    R"(Show or free what bgem3 keeps in its own cache folder: packed weights and remembered hashes.

Models downloaded into the Hugging Face cache are not touched.

Examples:
  bgem3 cache list
  bgem3 cache clean --dry-run
  bgem3 cache clean --all
)";

inline constexpr const char* kCacheListHelp = "List the files of the cache.";

inline constexpr const char* kCacheCleanHelp =
    "Delete packed weights of older versions, damaged and unfinished files; running programs keep what they use.";

inline constexpr const char* kCompletionHelp =
    R"(Write what makes a shell complete commands, options and their values. An installed bgem3 has done so.

Examples:
  source <(bgem3 completion bash)                                  in this shell
  bgem3 completion fish > ~/.config/fish/completions/bgem3.fish    in every fish from now on
)";

inline constexpr const char* kManualHelp = R"(Write the manual page, of which an installed bgem3 has a copy.

Examples:
  bgem3 manual | man -l -
)";

}  // namespace bgem3::cli
