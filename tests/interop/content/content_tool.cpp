// Does one thing a line for run.mjs, with tabs between words, and answers with "ok", a tab and a
// cid or with "error", a tab and why:
//   import PROFILE FOLDER CAR     the folder's tree as a CAR file
//   export CAR FOLDER             the CAR file's tree as a folder

#include <decloud/base/units.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/importer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/store/atomic_file.hpp>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

namespace {

using decloud::Bytes;
using decloud::CommonError;
using decloud::Result;
namespace content = decloud::content;
namespace store = decloud::store;

constexpr std::uint64_t kMaxCar = decloud::kGiB;

Result<content::Cid> import_folder(
    const std::string& profile, const std::string& folder, const std::string& car) {
    const auto blocks = content::make_memory_block_store();
    content::ImportOptions options;
    if (profile == "unixfs-v0-2015") {
        options.profile = content::UnixFsProfile::v0_2015();
    }
    TRY(const content::UnixFsEntry entry, content::import_path(*blocks, folder, options));
    TRY(const Bytes bytes, content::car_export(*blocks, {entry.cid}, kMaxCar));
    TRY_VOID(store::write_file_atomically(car, bytes));
    return entry.cid;
}

Result<content::Cid> export_folder(const std::string& car, const std::string& folder) {
    const auto blocks = content::make_memory_block_store();
    TRY(const Bytes bytes, store::read_file(car, kMaxCar));
    TRY(const content::CarImported imported, content::car_import(*blocks, bytes));
    TRY_VOID(content::export_tree(*blocks, imported.roots.front(), folder));
    return imported.roots.front();
}

Result<content::Cid> run(const std::vector<std::string>& words) {
    if (words.size() == 4 && words[0] == "import") {
        return import_folder(words[1], words[2], words[3]);
    }
    if (words.size() == 3 && words[0] == "export") {
        return export_folder(words[1], words[2]);
    }
    return decloud::fail(CommonError::invalid_input, "a line that is not understood");
}

}  // namespace

int main() {
    std::string line;
    while (std::getline(std::cin, line)) {
        std::vector<std::string> words;
        for (std::size_t start = 0; start <= line.size();) {
            const std::size_t end = std::min(line.find('\t', start), line.size());
            words.push_back(line.substr(start, end - start));
            start = end + 1;
        }
        const auto result = run(words);
        if (result) {
            std::cout << "ok\t" << result->to_string() << '\n' << std::flush;
        } else {
            std::cout << "error\t" << result.error().message() << '\n' << std::flush;
        }
    }
    return 0;
}
