// Runs a member's recorded kernel calls on Bochs' emulated Ice Lake, bare-metal.
// In:  see bochs.h.  Out: see bochs.h; a temporary folder is made and removed.
// Not here: Bochs itself (Debian packages bochs, bochsbios, vgabios).
//
// Everything lies on one raw disk: boot sector and guest, a header, the member, the blob. Rejected: a CD with a boot
// loader and modules, which needs three more packages and loads through the BIOS at a tenth of the speed.
#include "tests/support/bochs/bochs.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/support/bochs/replay.h"

namespace octile::testing {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kCylinder = 16 * 63 * REPLAY_SECTOR;
// The debugger built into Debian's Bochs stops before the first instruction; it reads its commands from a file.
constexpr const char* kDebuggerCommands = "c\n";
constexpr const char* kConfiguration = R"(plugin_ctrl: unmapped=1, biosdev=1, extfpuirq=1, iodebug=0
config_interface: textconfig
display_library: rfb, options="timeout=0"
cpu: model=corei7_icelake_u, count=1, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=512, host=512
romimage: file="/usr/share/bochs/BIOS-bochs-latest"
vgaromimage: file="/usr/share/vgabios/vgabios.bin"
boot: disk
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
sound: waveoutdrv=dummy, waveout=none, waveindrv=dummy, wavein=none, midioutdrv=dummy, midiout=none
log: bochs.log
panic: action=fatal
error: action=report
info: action=report
clock: sync=none
port_e9_hack: enabled=1
)";

Result<std::vector<uint8_t>> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status(Code::io_error, path + ": cannot be read");
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(file), {});
}

uint64_t sectors(uint64_t bytes) { return (bytes + REPLAY_SECTOR - 1) / REPLAY_SECTOR; }

// Returns the number of cylinders.
Result<uint64_t> write_disk(const fs::path& path, const std::vector<uint8_t>& guest, const std::vector<uint8_t>& member,
                            const std::vector<uint8_t>& blob) {
  if (guest.size() > REPLAY_HEADER_SECTOR * REPLAY_SECTOR)
    return Status(Code::internal, "the guest image is too large");
  replay_disk header{};
  header.magic = REPLAY_MAGIC;
  header.member_sector = REPLAY_HEADER_SECTOR + 1;
  header.member_bytes = member.size();
  header.blob_sector = header.member_sector + sectors(member.size());
  header.blob_bytes = blob.size();
  const uint64_t bytes = (header.blob_sector + sectors(blob.size())) * REPLAY_SECTOR;
  const uint64_t cylinders = (bytes + kCylinder - 1) / kCylinder;
  std::ofstream file(path, std::ios::binary);
  const auto put = [&file](uint64_t sector, const void* data, uint64_t size) {
    file.seekp(static_cast<std::streamoff>(sector * REPLAY_SECTOR));
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
  };
  put(0, guest.data(), guest.size());
  put(REPLAY_HEADER_SECTOR, &header, sizeof header);
  put(header.member_sector, member.data(), member.size());
  put(header.blob_sector, blob.data(), blob.size());
  file.close();
  if (!file) return Status(Code::io_error, path.string() + ": cannot be written");
  fs::resize_file(path, cylinders * kCylinder);
  return cylinders;
}

// The lines the guest printed, among Bochs' own.
std::string guest_lines(const fs::path& path, ReplayResult& result, bool& finished) {
  std::ifstream file(path);
  std::string line;
  std::string said;
  while (std::getline(file, line)) {
    const bool verdict = line.rfind("bad=", 0) == 0;
    if (verdict) {
      long long bad = 0;
      long long calls = 0;
      finished = std::sscanf(line.c_str(), "bad=%lld calls=%lld", &bad, &calls) == 2;
      result.bad = bad;
      result.calls = calls;
    }
    const bool words = line.rfind("trap ", 0) == 0 || line.rfind("guest: ", 0) == 0 || line.rfind("first bad ", 0) == 0;
    if (verdict || words) said += line + "\n";
  }
  return said;
}

Result<ReplayResult> run_in(const fs::path& folder, uint64_t cylinders, int timeout_seconds) {
  std::ofstream(folder / "bochsrc") << kConfiguration
                                    << "ata0-master: type=disk, path=\"disk.img\", mode=flat, cylinders=" << cylinders
                                    << ", heads=16, spt=63\n";
  std::ofstream(folder / "commands") << kDebuggerCommands;
  std::ostringstream command;
  command << "cd '" << folder.string() << "' && timeout -k 5 " << timeout_seconds
          << " bochs -q -f bochsrc -unlock -rc commands </dev/null >out.txt 2>&1";
  const int rc = std::system(command.str().c_str());
  ReplayResult result;
  bool finished = false;
  result.text = guest_lines(folder / "out.txt", result, finished);
  if (finished) return result;
  const int code = WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
  if (code == 124 || code == 137) {
    return Status(Code::timeout, "the guest ran longer than " + std::to_string(timeout_seconds) + " s\n" + result.text);
  }
  if (!result.text.empty()) return Status(Code::crashed, result.text);
  std::ifstream log(folder / "out.txt");
  std::string said(std::istreambuf_iterator<char>(log), {});
  return Status(Code::internal, "bochs said nothing of use; its output ends: " +
                                    said.substr(said.size() > 2000 ? said.size() - 2000 : 0));
}

}  // namespace

Result<ReplayResult> replay_on_bochs(const std::string& guest_image, const std::vector<uint8_t>& member,
                                     const std::vector<uint8_t>& blob, int timeout_seconds) {
  if (std::system("command -v bochs >/dev/null 2>&1") != 0 || !fs::exists("/usr/share/bochs/BIOS-bochs-latest") ||
      !fs::exists("/usr/share/vgabios/vgabios.bin")) {
    return Status(Code::not_found, "the emulator is missing: apt-get install bochs bochsbios vgabios");
  }
  OCTILE_ASSIGN_OR_RETURN(const std::vector<uint8_t> guest, read_file(guest_image));
  std::string folder = (fs::temp_directory_path() / "octile-bochs-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return Status(Code::io_error, folder + ": cannot be made");
  auto cylinders = write_disk(fs::path(folder) / "disk.img", guest, member, blob);
  Result<ReplayResult> result =
      cylinders.ok() ? run_in(folder, *cylinders, timeout_seconds) : Result<ReplayResult>(cylinders.status());
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return result;
}

}  // namespace octile::testing
