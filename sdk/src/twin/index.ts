export { DeviceTwin, type DeviceTwinOptions } from "./device-twin.js";
export { type CheckedTwin, checkTwin, type TwinSettings, twinSettingsSchema } from "./twin-settings.js";
