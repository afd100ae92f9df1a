export { type DataSplits, Dataset, type SplitName } from "./dataset.js";
