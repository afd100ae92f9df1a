/** Where ONNX Runtime computes. All but `cpu` need a library that was built with it, and its drivers. */
export const providers = ["cpu", "cuda", "tensorrt", "webgpu"] as const;

export type Provider = (typeof providers)[number];
