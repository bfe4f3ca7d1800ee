#pragma once

#include "content_stream.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/car.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::cli::internal {

/// A CARv1 file that becomes a CARv2 file with an index on its way to the disk; every block is
/// verified.
class IndexedCar {
  public:
    /// `output` is a file, not standard output.
    [[nodiscard]] static Result<IndexedCar> begin(OutputFile output);
    IndexedCar(IndexedCar&&) noexcept;
    IndexedCar& operator=(IndexedCar&&) = delete;
    ~IndexedCar();

    /// The next bytes of the CARv1 file. Errors: CarReader's, from errno.
    [[nodiscard]] Result<void> write(BytesView bytes);
    /// Without it there is no file.
    [[nodiscard]] Result<void> finish();

  private:
    struct State;
    explicit IndexedCar(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// What a CARv2 file's index is worth.
enum class CarIndexState : std::uint8_t { none, unknown_format, wrong, right };
/// "none", "of an unknown format", "wrong" or "right".
[[nodiscard]] std::string_view name_of(CarIndexState state);

/// A CAR file whose blocks have all been read and hashed.
struct CarSummary {
    /// Of CARv1 or CARv2.
    unsigned version = 1;
    std::vector<multiformats::Cid> roots;
    /// Those that are not among the blocks.
    std::vector<multiformats::Cid> missing_roots;
    std::uint64_t blocks = 0;
    /// Of the file.
    std::uint64_t bytes = 0;
    CarIndexState index = CarIndexState::none;
};

/// Reads `path` ("-": standard input) to its end. Errors: CarReader's, from errno.
[[nodiscard]] Result<CarSummary> inspect_car(const std::string& path);

}  // namespace decloud::cli::internal
