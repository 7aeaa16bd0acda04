#include "generator/database.h"

#include <sqlite3.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/file.h"

namespace bgem3 {
namespace {

constexpr int kWaitMilliseconds = 5000;
constexpr int kMostSetAside = 1000;
constexpr int kMostWaits = 100;
constexpr std::chrono::milliseconds kWait(20);

bool exists(const std::string& path) { return is_file(path) || is_folder(path); }

}  // namespace

bool DatabaseError::is_damage() const {
  const int primary = result_ & 0xFF;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

bool DatabaseError::is_busy() const {
  const int primary = result_ & 0xFF;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement::Statement(sqlite3* database, std::string_view sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr));
  statement_.reset(statement);
}

void Statement::check(int result) const {
  if (result != SQLITE_OK) throw DatabaseError(sqlite3_extended_errcode(database_), sqlite3_errmsg(database_));
}

Statement& Statement::bind(int index, int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), index + 1, value));
  return *this;
}

Statement& Statement::bind(int index, double value) {
  check(sqlite3_bind_double(statement_.get(), index + 1, value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  check(sqlite3_bind_text64(statement_.get(), index + 1, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(int index, std::span<const std::byte> blob) {
  check(sqlite3_bind_blob64(statement_.get(), index + 1, blob.data(), blob.size(), SQLITE_STATIC));
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  const DatabaseError error(sqlite3_extended_errcode(database_), sqlite3_errmsg(database_));
  reset();
  throw error;
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text ? std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))) : std::string();
}

std::span<const std::byte> Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Database::Database(const std::string& path, int flags) {
  sqlite3* database = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &database, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  database_.reset(database);
  if (result != SQLITE_OK) throw DatabaseError(result, database ? sqlite3_errmsg(database) : "out of memory");
  sqlite3_busy_timeout(database, kWaitMilliseconds);
}

Statement Database::prepare(std::string_view sql) const { return Statement(database_.get(), sql); }

void Database::run(const char* sql) const {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return;
  throw DatabaseError(sqlite3_extended_errcode(database_.get()), sqlite3_errmsg(database_.get()));
}

int64_t Database::ask(std::string_view sql) const {
  Statement statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

void Database::check_format(const std::string& path, const DatabaseFormat& format) const {
  if (ask("PRAGMA application_id") != format.application_id) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: a database of another program, expected a bgem3 {}", path,
                            format.name);
  }
  const int64_t version = ask("PRAGMA user_version");
  if (version != format.version) {
    fail<InvalidInputError>(ErrorCode::unsupported, "{}: a bgem3 {} of version {}, expected {}; use another file", path,
                            format.name, version, format.version);
  }
}

Database Database::open(const std::string& path, const DatabaseFormat& format,
                        const std::function<void(const std::string&)>& on_damage) {
  int waits = 0, times_set_aside = 0;
  while (true) {
    try {
      Database database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
      constexpr const char* kCount = "SELECT count(*) FROM sqlite_master";
      if (database.ask(kCount) > 0) database.check_format(path, format);  // before anything is changed
      database.run("PRAGMA journal_mode = WAL");
      database.run("PRAGMA synchronous = NORMAL");
      database.run("BEGIN IMMEDIATE");  // one process makes it, others wait
      if (database.ask(kCount) == 0) {
        database.run(format.schema);
        database.run(fmt::format("PRAGMA application_id = {}", format.application_id).c_str());
        database.run(fmt::format("PRAGMA user_version = {}", format.version).c_str());
      }
      database.run("COMMIT");
      database.check_format(path, format);
      return database;
    } catch (const DatabaseError& error) {
      // While another process makes the file, SQLite answers at once instead of waiting.
      if (error.is_busy() && waits++ < kMostWaits) {
        std::this_thread::sleep_for(kWait);
        continue;
      }
      if (!error.is_damage() || times_set_aside++ > 0 || !is_file(path)) {
        fail<EmbeddingGenerationError>(ErrorCode::io,
                                       "{}: cannot open it as a bgem3 {}: {}; check the folder and its rights", path,
                                       format.name, error.what());
      }
    }
    on_damage(set_aside(path));
  }
}

Database Database::open_to_read(const std::string& path, const DatabaseFormat& format) {
  if (!is_file(path)) {
    fail<EmbeddingGenerationError>(ErrorCode::not_found, "{}: no such file, expected a bgem3 {}", path, format.name);
  }
  try {
    Database database(path, SQLITE_OPEN_READONLY);
    database.check_format(path, format);
    return database;
  } catch (const DatabaseError& error) {
    fail<EmbeddingGenerationError>(error.is_damage() ? ErrorCode::corrupt : ErrorCode::io,
                                   "{}: cannot read it as a bgem3 {}: {}", path, format.name, error.what());
  }
}

std::string set_aside(const std::string& path) {
  for (int n = 1; n <= kMostSetAside; n++) {
    const std::string aside = fmt::format("{}.damaged-{}", path, n);
    if (exists(aside)) continue;
    if (std::rename(path.c_str(), aside.c_str()) != 0 && errno != ENOENT) break;  // ENOENT: another process did it
    for (const char* suffix : {"-wal", "-shm"}) std::rename((path + suffix).c_str(), (aside + suffix).c_str());
    return aside;
  }
  fail<EmbeddingGenerationError>(ErrorCode::io, "{}: damaged, and cannot be set aside: {}; remove it", path,
                                 std::strerror(errno));
}

}  // namespace bgem3
