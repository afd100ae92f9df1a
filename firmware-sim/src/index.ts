export { dealByPatient, dealDirichlet, dealIid, minimumSamplesPerDevice } from "./deal.js";
export { type PhantomOptions, phantomSplits } from "./phantom.js";
