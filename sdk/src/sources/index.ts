export { Dataset, type DataSplits, type SplitName } from './dataset.js';
