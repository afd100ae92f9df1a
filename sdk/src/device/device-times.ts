/** Times a device keeps to unless told otherwise; a simulated fleet keeps to the same ones. */
export const deviceTimes = {
	/** Milliseconds after which a missing answer is asked for. */
	answerTimeoutMs: 10_000,
	/** Waiting times grow up to this multiple of `answerTimeoutMs`. */
	maxPatience: 8,
	/** Seconds without traffic after which the client pings; the link counts as lost after 1.5 times that (MQTT 3.1.1 section 3.1.2.10). */
	keepAliveSeconds: 18,
	/** Times a message goes out again at once after a refusal; then it waits, as for an answer that does not come. */
	maxPromptRepeats: 2,
} as const;
