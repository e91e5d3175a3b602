// Key: content as a string of its bytes, for tables that find again what was made of the same content before.
// In:  numbers, lists of numbers.  Out: the string, longer.
// Not here: the tables (op_cache.h, functions.h).
#pragma once

#include <string>
#include <vector>

namespace octile::runtime {

template <class T>
void append(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);  // NOLINT(bugprone-sizeof-expression)
}

template <class T>
void append(std::string& key, const std::vector<T>& values) {
  append(key, values.size());
  if (!values.empty()) key.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace octile::runtime
