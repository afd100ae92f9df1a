export { liveLimits } from "./live-limits.js";
export { type LiveEvent, type LiveOptions, liveSamples } from "./live-samples.js";
export { type LabelledSample, PendingLabels, type PendingLabelsOptions } from "./pending-labels.js";
export { rawFrames } from "./raw-frames.js";
export { readLabels } from "./read-labels.js";
export { type WatchOptions, watchFolder } from "./watch-folder.js";
