// SPDX-License-Identifier: Apache-2.0
//
// A stream of log bytes as lines: terminal colours are dropped, a carriage return starts its line
// over (progress bars), and only the newest lines are kept, so that a step that prints a gigabyte
// costs the browser no more than one that prints a page.

export interface LogLine {
    n: number; // counted from the first line read, 0-based; a stable key
    text: string;
}

const LINE_MAX = 4000;

export class LogText {
    private next = 0;
    private held = ''; // the unfinished last line
    private decoder = new TextDecoder();
    lines: LogLine[] = [];
    dropped = 0;

    constructor(private readonly most = 4000) {}

    push(piece: Uint8Array | string): void {
        const text = typeof piece === 'string' ? piece : this.decoder.decode(piece, { stream: true });
        const parts = (this.held + text).split('\n');
        this.held = parts.pop()!.slice(-4 * LINE_MAX);
        for (const part of parts) this.lines.push({ n: this.next++, text: clean(part) });
        const over = this.lines.length - this.most;
        if (over > 0) {
            this.dropped += over;
            this.lines = this.lines.slice(over);
        }
    }

    /** The unfinished last line, as it would show now. */
    get partial(): string {
        return clean(this.held);
    }
}

// CSI and OSC sequences, then every other control character but the tab.
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/g;

export function clean(line: string): string {
    line = line.replace(/\r+$/, '');
    const over = line.lastIndexOf('\r');
    if (over >= 0) line = line.slice(over + 1);
    line = line.replace(ESCAPES, '').replace(CONTROLS, '');
    return line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)} …` : line;
}

export type Tone = 'error' | 'hint' | 'warn' | '';

/** What the line says about itself; steps end a failure with "error: …" and "hint: …". */
export function tone(line: string): Tone {
    if (/^\s*(error|fatal|traceback)\b/i.test(line) || /^\w*(Error|Exception): /.test(line)) return 'error';
    if (/^\s*hint:/i.test(line)) return 'hint';
    if (/^\s*(warn|warning)\b/i.test(line)) return 'warn';
    return '';
}
