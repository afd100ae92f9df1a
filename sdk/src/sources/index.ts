export { type DataSplits, Dataset, type SplitName } from "./dataset.js";
export { decodeImage, imageChannels } from "./decode-image.js";
export { parseIdx } from "./idx.js";
export { loadData } from "./load-data.js";
export { defaultImageSize, defaultMaxExpandedBytes, type LoadEvent, type LoadOptions } from "./load-options.js";
export { type NpyArray, parseNpy } from "./npy.js";
export { type ReadNpzOptions, readNpz } from "./npz.js";
export { type Crop, cropPicture, type FitOptions, fitPicture, type PictureLevels } from "./picture-levels.js";
export { heldOutCap, heldOutFraction, indicesByClass, recordSplit, stratifiedSplit } from "./split.js";
