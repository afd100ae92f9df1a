import { Device, type DeviceOptions, PsglError } from "@psgl/sdk";

/**
 * Classes of the model the aggregator serves, in the model's order. A device without data asks, waits as long as it takes, sends no
 * smashed data and leaves.
 * @throws as `Device.connect`; ArtifactError where the device may not take the model; the signal's reason when aborted.
 */
export async function modelClasses(options: DeviceOptions): Promise<readonly string[]> {
	const { signal } = options;
	// It releases nothing, so it keeps to any budget.
	await using device = await Device.connect({ ...options, endsWithProcess: true });
	for (;;) {
		try {
			return (await device.ready({ signal })).classes;
		} catch (error) {
			if (!(error instanceof PsglError) || error.code !== "PSGL_DEVICE_NO_MODEL") throw error;
		}
	}
}
