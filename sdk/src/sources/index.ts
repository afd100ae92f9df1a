export { completeSplits, type FoundParts } from "./complete-splits.js";
export { type DataSplits, Dataset, type SplitName } from "./dataset.js";
export { decodeImage, imageChannels, type PictureOptions } from "./decode-image.js";
export { parseIdx } from "./idx.js";
export { imageLimits } from "./image-limits.js";
export { loadData } from "./load-data.js";
export { defaultImageSize, defaultMaxExpandedBytes, type LoadEvent, type LoadOptions } from "./load-options.js";
export { type NpyArray, parseNpy } from "./npy.js";
export { type ReadNpzOptions, readNpz } from "./npz.js";
export { type Crop, cropPicture, type Fit, type FitOptions, fitPicture, type PictureLevels } from "./picture-levels.js";
export type {
	ArrayProvenance,
	PictureProvenance,
	SampleProvenance,
	WindowProvenance,
} from "./sample-provenance.js";
export { heldOutCap, heldOutFraction, indicesByClass, recordSplit, stratifiedSplit } from "./split.js";
