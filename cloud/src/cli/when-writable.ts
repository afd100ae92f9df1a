import { PsglError, systemClock } from "@psgl/sdk";
import { budgetLimits } from "@psgl/sdk/budget";

export interface WhenWritableOptions {
	/** Called when the storage takes nothing, with why, and when it does again, without. */
	readonly onStorage: (error: PsglError | undefined) => void;
	readonly signal: AbortSignal;
}

/**
 * Opens what needs the device's store. While its disk is full or read-only it waits and tries again, as a device does that trains already: nobody
 * is there to start it anew when there is room.
 * @throws as `open` but for `PSGL_STORE_WRITE`; the signal's reason when aborted
 */
export async function whenWritable<T>(open: () => Promise<T>, { onStorage, signal }: WhenWritableOptions): Promise<T> {
	for (let told = false; ; ) {
		try {
			const opened = await open();
			if (told) onStorage(undefined);
			return opened;
		} catch (error) {
			if (!(error instanceof PsglError) || error.code !== "PSGL_STORE_WRITE") throw error;
			if (!told) onStorage(error);
			told = true;
		}
		await systemClock.sleep(budgetLimits.pauseCheckMs, signal);
	}
}
