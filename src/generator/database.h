// A SQLite file that several processes share. Start at Database::open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace bgem3 {

// What SQLite answered; never leaves the generator module.
class DatabaseError : public std::runtime_error {
 public:
  DatabaseError(int result, const std::string& message) : std::runtime_error(message), result_(result) {}
  bool is_damage() const;  // the file is no database, or its pages contradict each other
  bool is_busy() const;    // another process held it for longer than we wait

 private:
  int result_;
};

// A prepared statement, run again and again: bind all, step, read columns. Columns and values count from 0.
class Statement {
 public:
  Statement(sqlite3* database, std::string_view sql);

  Statement& bind(int index, int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::span<const std::byte> blob);  // must stay valid until reset()
  // True if there is a row. Throws DatabaseError.
  bool step();
  void reset();

  int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::span<const std::byte> blob(int column) const;  // valid until the next step or reset

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  void check(int result) const;

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Which program's file it is, and what is in it.
struct DatabaseFormat {
  int32_t application_id;  // in the file's header
  int32_t version;         // of the schema
  const char* name;        // for messages: "embedding cache"
  const char* schema;      // statements that make it
};

// One connection, for one thread at a time (its owner locks). Readers and one writer of any number of processes may use
// the file at the same time (write-ahead log); a killed process leaves it whole.
class Database {
 public:
  // Opens the file, made if it is missing. What is there and is no database is set aside: renamed to
  // `path`.damaged-<n>, which `on_damage` is told. Throws InvalidInputError (a database of another program or version),
  // EmbeddingGenerationError (io: it cannot be opened or written).
  static Database open(const std::string& path, const DatabaseFormat& format,
                       const std::function<void(const std::string& new_path)>& on_damage);
  // Opens a file that must be there, for reading only. Throws EmbeddingGenerationError (not_found, corrupt, io),
  // InvalidInputError.
  static Database open_to_read(const std::string& path, const DatabaseFormat& format);

  Statement prepare(std::string_view sql) const;
  void run(const char* sql) const;
  // The number that a statement answers.
  int64_t ask(std::string_view sql) const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  Database(const std::string& path, int flags);
  void check_format(const std::string& path, const DatabaseFormat& format) const;

  std::unique_ptr<sqlite3, Close> database_;
};

// Renames a damaged database, with what belongs to it; answers the new path. Throws EmbeddingGenerationError (io).
std::string set_aside(const std::string& path);

}  // namespace bgem3
