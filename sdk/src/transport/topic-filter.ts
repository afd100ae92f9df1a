/** Whether an MQTT filter matches a topic (MQTT 3.1.1 section 4.7). */
export function matchesFilter(filter: string, topic: string): boolean {
	const wanted = filter.split("/");
	const levels = topic.split("/");
	// [MQTT-4.7.2-1] A leading wildcard does not match the broker's own topics.
	if (topic.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false;
	for (const [i, level] of wanted.entries()) {
		if (level === "#") return true;
		if (i >= levels.length || (level !== "+" && level !== levels[i])) return false;
	}
	return wanted.length === levels.length;
}
