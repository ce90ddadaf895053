// NCCL on this machine's GPU: a group of one, so that the whole path runs where
// there is but one. Without a GPU every test here is skipped, and says so.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "ATen/Functions.h"
#include "cuda_runtime_api.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/collective.h"
#include "learner/nan_order.h"
#include "tests/testing/memory_rendezvous.h"

namespace operant::learner {
namespace {

using ::testing::HasSubstr;

// Floats in device memory, as a tensor.
class DeviceFloats {
 public:
  explicit DeviceFloats(const std::vector<float>& values)
      : size_(values.size()) {
    EXPECT_EQ(cudaMalloc(reinterpret_cast<void**>(&data_), Bytes()),
              cudaSuccess);
    EXPECT_EQ(cudaMemcpy(data_, values.data(), Bytes(), cudaMemcpyHostToDevice),
              cudaSuccess);
  }
  ~DeviceFloats() { cudaFree(data_); }

  float* data() const { return data_; }
  at::Tensor tensor() const {
    const at::Device device(at::kCUDA, 0);
    return at::for_blob(data_, {static_cast<int64_t>(size_)})
        .options(at::dtype(at::kFloat).device(device))
        .target_device(device)
        .make_tensor();
  }
  std::vector<float> Read() const {
    std::vector<float> values(size_);
    EXPECT_EQ(cudaMemcpy(values.data(), data_, Bytes(), cudaMemcpyDeviceToHost),
              cudaSuccess);
    return values;
  }

 private:
  size_t Bytes() const { return size_ * sizeof(float); }
  const size_t size_;
  float* data_ = nullptr;
};

class NcclCollectiveTest : public testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    const cudaError_t counted = cudaGetDeviceCount(&count);
    if (counted != cudaSuccess || count == 0) {
      GTEST_SKIP() << "no GPU that CUDA can use ("
                   << cudaGetErrorString(counted)
                   << "): NCCL is compiled and linked, and NOT tested here";
    }
    auto made = CreateNcclCollective({.timeout = absl::Seconds(20),
                                      .rendezvous = &rendezvous_,
                                      .group = "one"});
    ASSERT_TRUE(made.ok()) << made.status();
    one_ = *std::move(made);
  }

  testing_support::MemoryRendezvous rendezvous_;
  std::unique_ptr<Collective> one_;
};

TEST_F(NcclCollectiveTest, EveryOperationLeavesOneRanksTensorAsItIs) {
  const std::vector<float> values = {1.5f, -2, 3};
  DeviceFloats floats(values);
  const at::Tensor data = floats.tensor();
  for (const Reduction reduction : {Reduction::kSum, Reduction::kMax}) {
    EXPECT_EQ(one_->AllReduce(data, reduction, "a")->Wait(), absl::OkStatus());
    EXPECT_EQ(one_->ReduceScatter(data, reduction, "b")->Wait(),
              absl::OkStatus());
  }
  EXPECT_EQ(one_->AllGather(data, "c")->Wait(), absl::OkStatus());
  EXPECT_EQ(one_->Broadcast(data, 0, "d")->Wait(), absl::OkStatus());
  EXPECT_EQ(one_->Barrier("e"), absl::OkStatus());
  EXPECT_EQ(floats.Read(), values);
  EXPECT_EQ(one_->exchanges(), 7);
  EXPECT_EQ(one_->sent().all_reduce, 0);
}

TEST_F(NcclCollectiveTest, AnAbortedGroupIsDeadForGoodAndANewOneIsNot) {
  one_->Abort(absl::AbortedError("rank 3 is gone"));
  DeviceFloats floats({1});
  const absl::Status status =
      one_->AllReduce(floats.tensor(), Reduction::kSum, "late")->Wait();
  EXPECT_EQ(status, absl::AbortedError("rank 3 is gone"));
  one_.reset();
  auto again =
      CreateNcclCollective({.rendezvous = &rendezvous_, .group = "another"});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->Barrier("alive"), absl::OkStatus());
}

TEST_F(NcclCollectiveTest, ATensorOfTheHostIsRefused) {
  const absl::Status status =
      one_->AllReduce(at::ones({4}), Reduction::kSum, "host")->Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("rank 0 of 1, all-reduce 1 (host, 16 bytes): the "
                        "tensor is on cpu, expected cuda"));
}

TEST_F(NcclCollectiveTest, AsIntegersFloatsKeepTheirOrderWithNanAboveAll) {
  const std::vector<float> rising = {-INFINITY, -2, -1e-40f, 0, 1, INFINITY};
  std::vector<float> values = rising;
  values.push_back(NAN);
  values.push_back(-NAN);
  DeviceFloats floats(values);
  const auto size = static_cast<int64_t>(values.size());
  ASSERT_EQ(ToOrder(floats.data(), size, /*stream=*/nullptr), cudaSuccess);
  std::vector<int32_t> order(values.size());
  ASSERT_EQ(cudaMemcpy(order.data(), floats.data(), 4 * order.size(),
                       cudaMemcpyDeviceToHost),
            cudaSuccess);
  for (size_t i = 1; i <= rising.size(); ++i) EXPECT_LT(order[i - 1], order[i]);
  EXPECT_EQ(order[6], order[7]) << "one NaN is as large as another";
  ASSERT_EQ(FromOrder(floats.data(), size, /*stream=*/nullptr), cudaSuccess);
  const std::vector<float> back = floats.Read();
  EXPECT_EQ(std::vector<float>(back.begin(), back.begin() + 6), rising);
  EXPECT_TRUE(std::isnan(back[6]) && std::isnan(back[7]));
}

// Runs everywhere: what a user without a GPU is told.
TEST(NcclWithoutGpuTest, IsRefusedWithTheKeysToSet) {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && count > 0)
    GTEST_SKIP() << "there is a GPU here";
  const absl::Status status = CreateNcclCollective({}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("set learner.collective=gloo and learner.device=cpu"));
}

}  // namespace
}  // namespace operant::learner
