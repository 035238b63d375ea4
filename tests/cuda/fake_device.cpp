// CUDA devices and the GPU of a Mac (MPS) that are not there, for a build of torch for CPUs. Their tensors are in the
// memory of the host, and every operator runs on the CPU. They refuse operands on different devices, the GPU of a Mac
// also float64, and count what a real device would be asked for: kernel launches, copies, and the times that the host
// waits for it. Processes exchange their tensors with gloo.
#include <ATen/core/Tensor.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/detail/MPSHooksInterface.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/distributed/c10d/reducer_timer.hpp>
#include <torch/library.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

using at::Tensor;
using c10::Device;
using c10::DeviceIndex;
using c10::Stream;

namespace {

// A process has one kind of accelerator.
const bool IS_MAC = std::getenv("SEQFORGE_FAKE_DEVICE") != nullptr;
const DeviceIndex DEVICES = IS_MAC ? 0 : 2;

// 1. What the device was asked for.

std::mutex counts_lock;
std::map<std::string, long> counts;
int devices_used = 0;  // one bit for each
thread_local bool paused = false;

void count(const std::string& name) {
  if (paused) return;
  std::lock_guard<std::mutex> guard(counts_lock);
  counts[name]++;
}

// 2. The device: a current index, and streams in which everything has already happened.

thread_local DeviceIndex current = 0;

template <c10::DeviceType KIND>
struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return KIND; }
  Device getDevice() const override { return Device(KIND, KIND == c10::kCUDA ? current : 0); }
  void uncheckedSetDevice(Device device) const noexcept override {
    if (KIND == c10::kCUDA) current = device.has_index() ? device.index() : 0;
  }
  void setDevice(Device device) const override { uncheckedSetDevice(device); }
  Device exchangeDevice(Device device) const override {
    Device before = getDevice();
    setDevice(device);
    return before;
  }
  DeviceIndex deviceCount() const noexcept override { return KIND == c10::kCUDA ? DEVICES : 1; }
  Stream getStream(Device device) const override { return Stream(Stream::DEFAULT, device); }
  Stream getDefaultStream(Device device) const override { return getStream(device); }
  Stream getStreamFromGlobalPool(Device device, bool) const override { return getStream(device); }
  Stream exchangeStream(Stream stream) const override { return stream; }
  void record(void**, const Stream&, const DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const DeviceIndex) const noexcept override {}
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override { count("wait: stream"); }
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard<c10::kCUDA>);
C10_REGISTER_GUARD_IMPL(MPS, Guard<c10::kMPS>);

struct Hooks final : at::CUDAHooksInterface {
  explicit Hooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return !IS_MAC; }
  bool isAvailable() const override { return !IS_MAC; }
  bool hasCUDA() const override { return !IS_MAC; }
  bool hasPrimaryContext(DeviceIndex) const override { return !IS_MAC; }
  DeviceIndex deviceCount() const override { return DEVICES; }
  int getNumGPUs() const override { return DEVICES; }
  DeviceIndex current_device() const override { return current; }
  DeviceIndex getCurrentDevice() const override { return current; }
  void setCurrentDevice(DeviceIndex index) const override { current = index; }
  DeviceIndex exchangeDevice(DeviceIndex index) const override { return std::exchange(current, index); }
  DeviceIndex maybeExchangeDevice(DeviceIndex index) const override { return exchangeDevice(index); }
  bool isPinnedPtr(const void*) const override { return false; }
  c10::Allocator* getPinnedMemoryAllocator() const override { return c10::GetAllocator(c10::kCPU); }
  const at::Generator& getDefaultGenerator(DeviceIndex) const override { return at::detail::getDefaultCPUGenerator(); }
};

struct MacHooks final : at::MPSHooksInterface {
  void init() const override {}
  bool isBuilt() const override { return IS_MAC; }
  bool isAvailable() const override { return IS_MAC; }
  bool hasMPS() const override { return IS_MAC; }
  DeviceIndex deviceCount() const override { return 1; }
  bool isOnMacOSorNewer(unsigned, unsigned) const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  c10::Allocator* getPinnedMemoryAllocator() const override { return c10::GetAllocator(c10::kCPU); }
  const at::Generator& getDefaultGenerator(DeviceIndex) const override { return at::detail::getDefaultCPUGenerator(); }
};

// 3. Two tensors on the same memory: one of the host, on which operators run, and one of the device.

c10::DispatchKey key_of(Device device) { return device.is_mps() ? c10::DispatchKey::MPS : c10::DispatchKey::CUDA; }

Tensor make_tensor(c10::Storage storage, c10::DispatchKey key, const Tensor& like) {
  auto result = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), like.dtype());
  result.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  return result;
}

c10::Storage make_storage(const Tensor& like, c10::DataPtr data, c10::Allocator* allocator) {
  return c10::Storage(c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), like.storage().nbytes(), std::move(data), allocator, allocator != nullptr));
}

Tensor on_host(const Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cpu()) return tensor;
  c10::DataPtr data(const_cast<void*>(tensor.storage().data()), Device(c10::kCPU));
  auto* allocator = c10::GetAllocator(c10::kCPU);
  auto result = make_tensor(make_storage(tensor, std::move(data), allocator), c10::DispatchKey::CPU, tensor);
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) result.unsafeGetTensorImpl()->set_wrapped_number(true);
  return result;
}

c10::Storage device_storage(const Tensor& host, Device device) {
  auto* owner = new Tensor(host);
  auto free = [](void* pointer) { delete static_cast<Tensor*>(pointer); };
  return make_storage(host, c10::DataPtr(const_cast<void*>(host.storage().data()), owner, free, device), nullptr);
}

// 4. Every operator: its tensors become those of the host, and its results those of the device.

using Pair = std::pair<Tensor, Tensor>;  // a tensor of the device, and its tensor of the host

// Operators that take indices, sources or scalars from the host.
const std::set<std::string> MAY_MIX = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_",
                                       "aten::copy_", "aten::_copy_from", "aten::_ctc_loss", "aten::_ctc_loss_backward"};

struct Operands {
  std::vector<Pair> pairs;
  bool has_host = false;
  bool has_others = false;
  Device device = Device(c10::kCUDA, current);

  Tensor convert(const Tensor& tensor) {
    has_host |= tensor.defined() && tensor.is_cpu() && tensor.dim() > 0;
    Tensor host = on_host(tensor);
    if (tensor.defined() && !tensor.is_cpu()) {
      has_others |= tensor.dim() > 0 && !pairs.empty() && device != tensor.device();
      device = tensor.device();
      pairs.emplace_back(tensor, host);
    }
    return host;
  }

  void convert(c10::IValue& value) {
    if (value.isTensor()) {
      value = convert(value.toTensor());
    } else if (value.isTensorList()) {
      std::vector<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(convert(tensor));
      value = c10::IValue(list);
    } else if (value.isList() && value.toListRef().size() && value.toListRef()[0].isTensorList()) {
      c10::List<std::vector<Tensor>> lists;  // what a process receives
      for (c10::IValue inner : value.toListRef()) {
        convert(inner);
        lists.push_back(inner.toTensorVector());
      }
      value = c10::IValue(lists);
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (std::optional<Tensor> tensor : value.toOptionalTensorList())
        list.push_back(tensor && tensor->defined() ? std::optional<Tensor>(convert(*tensor)) : tensor);
      value = c10::IValue(list);
    } else if (value.isDevice() && !value.toDevice().is_cpu()) {
      if (value.toDevice().is_mps()) device = Device(c10::kMPS, 0);
      if (value.toDevice().has_index()) device = value.toDevice();
      value = Device(c10::kCPU);
    } else if (value.isGenerator()) {
      value = c10::IValue();
    }
  }

  // An operator may have resized the host's tensor of an operand.
  void follow_resizing() const {
    for (const auto& [tensor, host] : pairs) {
      auto* implementation = tensor.unsafeGetTensorImpl();
      if (host.storage().data() != tensor.storage().data())
        implementation->set_storage_keep_dtype(device_storage(host, device));
      if (host.sizes() != tensor.sizes() || host.strides() != tensor.strides())
        implementation->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
    }
  }

  Tensor result(const Tensor& host) const {
    if (!host.defined() || !host.is_cpu()) return host;
    TORCH_CHECK_TYPE(!device.is_mps() || host.scalar_type() != at::kDouble,
                     "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64.");
    for (const auto& [tensor, alias] : pairs)
      if (alias.is_same(host)) return tensor;
    for (const auto& [tensor, alias] : pairs)
      if (host.has_storage() && host.storage().nbytes() && host.storage().data() == alias.storage().data()) {
        c10::InferenceMode mode(tensor.is_inference());
        return make_tensor(c10::Storage(tensor.storage()), key_of(device), host);  // a view
      }
    return make_tensor(device_storage(host, device), key_of(device), host);
  }
};

void run_on_host(const c10::OperatorHandle& handle, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const auto& schema = handle.schema();
  count(schema.name());
  Operands operands;
  for (size_t place = stack->size() - schema.arguments().size(); place < stack->size(); place++)
    operands.convert((*stack)[place]);
  TORCH_CHECK(!operands.has_host || operands.pairs.empty() || MAY_MIX.count(schema.name()),
              "Expected all tensors to be on the same device, but found at least two devices, ", operands.device, " and cpu, in ",
              schema.name());
  TORCH_CHECK(!operands.has_others, "Expected all tensors to be on the same device, but found several GPUs in ", schema.name());
  if (operands.device.has_index()) devices_used |= 1 << operands.device.index();
  handle.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  operands.follow_resizing();
  for (size_t place = stack->size() - schema.returns().size(); place < stack->size(); place++) {
    auto& value = (*stack)[place];
    if (value.isTensor()) {
      value = operands.result(value.toTensor());
    } else if (value.isTensorList()) {
      std::vector<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(operands.result(tensor));
      value = c10::IValue(list);
    }
  }
}

// 5. Operators that concern two devices, or the memory itself.

Tensor& copy(Tensor& self, const Tensor& source, bool non_blocking) {
  if (self.is_same_size(source) && self.const_data_ptr() == source.const_data_ptr()) return self;  // a result of gloo
  if (!self.is_cpu() && !source.is_cpu())
    count("copy on the device");
  else
    count(std::string(non_blocking ? "copy" : "wait: copy") + (!self.is_cpu() ? " to the device" : " to the host"));
  c10::impl::ExcludeDispatchKeyGuard guard(c10::autograd_dispatch_keyset);
  on_host(self).copy_(on_host(source));
  return self;
}

Tensor& set_tensor(Tensor& self, const Tensor& source) {
  auto* implementation = self.unsafeGetTensorImpl();
  implementation->set_storage_keep_dtype(source.storage());
  implementation->set_sizes_and_strides(source.sizes(), source.strides(), source.storage_offset());
  return self;
}

Tensor& set_storage(Tensor& self, at::Storage source, int64_t offset, at::IntArrayRef size, at::IntArrayRef stride) {
  auto* implementation = self.unsafeGetTensorImpl();
  implementation->set_storage_keep_dtype(std::move(source));
  if (stride.empty())
    implementation->set_sizes_contiguous(size);
  else
    implementation->set_sizes_and_strides(size, stride);
  implementation->set_storage_offset(offset);
  return self;
}

// The loss of CTC is torch's own, not that of a library.
bool has_library(const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t) { return false; }
bool has_library_for(const Tensor&, const Tensor&, at::IntArrayRef, at::IntArrayRef, int64_t) { return false; }

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}
TORCH_LIBRARY_IMPL(_, MPS, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}
void implement_memory(torch::Library& library) {
  library.impl("copy_", copy);
  library.impl("set_.source_Tensor", set_tensor);
  library.impl("set_.source_Storage_storage_offset", set_storage);
}
TORCH_LIBRARY_IMPL(aten, MPS, library) { implement_memory(library); }
TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  implement_memory(library);
  for (std::string name : {"_use_cudnn_ctc_loss", "_use_miopen_ctc_loss"}) {
    library.impl((name + ".Tensor").c_str(), has_library);
    library.impl(name.c_str(), has_library_for);
  }
}

// Collective operations are those of gloo on the tensors of the host.
TORCH_LIBRARY_IMPL(c10d, CUDA, library) {
  for (const char* name : {"allreduce_", "broadcast_", "allgather_"})
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

// The times of a step, which torch asks for before it averages gradients.
struct Timer final : c10d::Timer {
  explicit Timer(Device) {}
  std::optional<int64_t> measureDifference(Event, Event) override { return std::nullopt; }
};

}  // namespace

namespace c10d {
C10_REGISTER_TYPED_CLASS(TimerRegistry, c10::kCUDA, ::Timer)
}
namespace at {
C10_REGISTER_CLASS(CUDAHooksRegistry, CUDAHooks, ::Hooks)
C10_REGISTER_CLASS(MPSHooksRegistry, MPSHooks, ::MacHooks)
}

// 6. For Python: counts are written into a file, one a line.

extern "C" void fake_pause(bool on) { paused = on; }
extern "C" void fake_count(const char* name) { count(name); }
extern "C" void fake_current(int index) { current = static_cast<DeviceIndex>(index); }
extern "C" int fake_devices() { return devices_used; }
extern "C" void fake_counts(const char* path) {
  std::lock_guard<std::mutex> guard(counts_lock);
  std::ofstream file(path);
  for (const auto& [name, times] : counts) file << times << '\t' << name << '\n';
  counts.clear();
}
