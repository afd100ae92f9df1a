export { type DataSplits, Dataset, type SplitName } from "./dataset.js";
export { decodeImage, imageChannels } from "./decode-image.js";
export { parseIdx } from "./idx.js";
export { loadData } from "./load-data.js";
export { defaultImageSize, defaultMaxExpandedBytes, type LoadEvent, type LoadOptions } from "./load-options.js";
export { type NpyArray, parseNpy } from "./npy.js";
export { type ReadNpzOptions, readNpz } from "./npz.js";
export { heldOutCap, heldOutFraction, indicesByClass, stratifiedSplit } from "./split.js";
