// Dry run: what would be searched, and what every constraint cuts, without building anything.
// In:  tasks.  Out: a table or JSON.  Not here: the spaces themselves (schedules/space).
#pragma once

#include <string>

#include "tuner/session/session.h"

namespace octile::tuner {

[[nodiscard]] std::string dry_run_text(const TaskList& list);
[[nodiscard]] std::string dry_run_json(const TaskList& list);

}  // namespace octile::tuner
