export { type PhantomOptions, phantomSplits } from "./phantom.js";
