import { type Device, PsglError, type WaitOptions } from "@psgl/sdk";

/**
 * Classes of the model the aggregator serves, in the model's order. The device, which has no data yet, asks, waits as long as it takes,
 * sends no smashed data and leaves.
 * @param connect with the store the device has later: its ledger and its signers decide on the model
 * @throws as `connect`, and as `Device.ready` but for `PSGL_DEVICE_NO_MODEL`.
 */
export async function modelClasses(
	connect: () => Promise<Device>,
	{ signal }: WaitOptions = {},
): Promise<readonly string[]> {
	await using device = await connect();
	for (;;) {
		try {
			return (await device.ready({ signal })).classes;
		} catch (error) {
			if (!(error instanceof PsglError) || error.code !== "PSGL_DEVICE_NO_MODEL") throw error;
		}
	}
}
