export { Device } from "../device/device.js";
export type { DeviceEvent } from "../device/device-event.js";
export { Dataset } from "../sources/dataset.js";
export { type CameraOptions, cameraFrames } from "./camera.js";
export { openIndexedDbStore } from "./indexed-db-store.js";
export { type PictureShape, pictureSample } from "./picture-sample.js";
export { type LabelledPicture, type PictureSet, type PictureSetOptions, pictureSet } from "./picture-set.js";
export { type WebProvider, type WebRuntime, type WebRuntimeOptions, webRuntime } from "./runtime.js";
