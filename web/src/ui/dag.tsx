// SPDX-License-Identifier: Apache-2.0
//
// A DAG as SVG that fits its frame; drag moves it, the buttons or ctrl + wheel zoom. On a phone it
// runs downwards and, where it is too wide to read, scrolls. Boxes are links, so a keyboard reaches
// each in order.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { layout, type Direction, type Layout, type Link, type Placed } from '../graph';
import { t } from '../i18n';
import { I, StatusMark, type IconName } from './icons';

export interface DagNode {
    id: string;
    title: string;
    sub: string;
    status?: string;
    icon?: IconName;
    href?: string;
    here?: boolean; // the object the page is about
}

interface View {
    x: number;
    y: number;
    scale: number;
}

const HEIGHT = 46;
const WIDTH_MIN = 104;
const TEXT_MAX = 190;
const TEXT_AT = 38;
const SCALE_MIN = 0.35;
const READABLE = 0.66;
const PHONE = 620;
const SCALE_MAX = 2;

export function Dag(props: {
    nodes: DagNode[];
    links: Link[];
    label: string;
    selected?: string | null;
    maxHeight?: number;
}) {
    const frame = useRef<HTMLDivElement>(null);
    const width = useWidth(frame);
    const direction: Direction = width && width < PHONE ? 'TB' : 'LR';
    const boxes = props.nodes.map((n) => ({ id: n.id, width: boxWidth(n), height: HEIGHT }));
    const shape = `${boxes.map((b) => b.id).join(' ')} ${props.links.map((l) => `${l.from}>${l.to}`).join(' ')}`;
    const placed = useMemo(
        () => layout(boxes, props.links, direction),
        [shape, direction, boxes.map((b) => b.width).join(' ')],
    );
    const most = direction === 'TB' ? Infinity : (props.maxHeight ?? 460);
    const fit = fitted(placed, width, most, direction === 'TB' ? READABLE : SCALE_MIN);
    const [moved, setMoved] = useState<View | null>(null);
    useEffect(() => setMoved(null), [shape, width]);
    const view = moved ?? fit;
    const drag = useDrag(view, setMoved);
    useWheel(frame, view, setMoved);
    useEffect(() => {
        frame.current!.scrollLeft = (fit.width - width) / 2;
    }, [shape, width, fit.width]);
    const byId = new Map(props.nodes.map((n) => [n.id, n]));
    const zoom = (factor: number) => setMoved(zoomed(view, factor, fit.width / 2, fit.height / 2));

    return (
        <div class="dag">
            <div class="dag-frame" ref={frame}>
                <svg width={fit.width} height={fit.height} role="group" aria-label={props.label} {...drag}>
                    <g transform={`translate(${view.x},${view.y}) scale(${view.scale})`}>
                        {placed.lines.map((l) => (
                            <path key={`${l.from} ${l.to}`} d={l.path} class={lineClass(byId.get(l.from), byId.get(l.to))} />
                        ))}
                        {placed.boxes.map((b) => (
                            <Node key={b.id} node={byId.get(b.id)!} box={b} selected={props.selected === b.id} />
                        ))}
                    </g>
                </svg>
            </div>
            <div class="dag-tools">
                <button type="button" onClick={() => zoom(1.25)} aria-label={t('run.zoom.in')} title={t('run.zoom.in')}><I name="plus" size={14} /></button>
                <button type="button" onClick={() => zoom(0.8)} aria-label={t('run.zoom.out')} title={t('run.zoom.out')}><I name="minus" size={14} /></button>
                <button type="button" onClick={() => setMoved(null)} aria-label={t('run.zoom.fit')} title={t('run.zoom.fit')}><I name="fit" size={14} /></button>
            </div>
        </div>
    );
}

function Node({ node, box, selected }: { node: DagNode; box: Placed; selected: boolean }) {
    const cls = ['node', node.status && `node-${node.status}`, selected && 'selected', node.here && 'here'];
    const body = (
        <g transform={`translate(${box.x},${box.y})`} class={cls.filter(Boolean).join(' ')}>
            <title>{`${node.title} — ${node.sub}`}</title>
            <rect width={box.width} height={HEIGHT} rx="7" />
            <g transform={`translate(13,${HEIGHT / 2 - 8})`}>
                {node.status ? <StatusMark status={node.status} size={16} /> : <I name={node.icon ?? 'step'} />}
            </g>
            <text x={TEXT_AT} y="19" class="node-title">{clip(node.title, titleFont)}</text>
            <text x={TEXT_AT} y="35" class="node-sub">{clip(node.sub, subFont)}</text>
        </g>
    );
    if (!node.href) return body;
    return (
        <a href={node.href} aria-current={selected ? 'true' : undefined} aria-label={`${node.title}, ${node.sub}`}>
            {body}
        </a>
    );
}

// Text is measured, because boxes are as wide as what they say; the fonts are those of pages.css.
const titleFont = '560 13px ';
const subFont = '11.5px ';
let pen: CanvasRenderingContext2D | null = null;

function textWidth(s: string, font: string): number {
    pen ??= document.createElement('canvas').getContext('2d');
    if (!pen) return s.length * 8;
    pen.font = font + getComputedStyle(document.body).fontFamily;
    return pen.measureText(s).width;
}

/** In steps of 12, so that a clock in it does not move the boxes every second. */
function boxWidth(n: DagNode): number {
    const text = Math.min(TEXT_MAX, Math.max(textWidth(n.title, titleFont), textWidth(n.sub, subFont)));
    return Math.max(WIDTH_MIN, Math.ceil((TEXT_AT + text + 12) / 12) * 12);
}

function clip(s: string, font: string): string {
    if (textWidth(s, font) <= TEXT_MAX + 1) return s;
    let n = s.length - 1;
    while (n > 1 && textWidth(`${s.slice(0, n)}…`, font) > TEXT_MAX) n--;
    return `${s.slice(0, n)}…`;
}

function lineClass(from: DagNode | undefined, to: DagNode | undefined): string {
    if (to?.status === 'running') return 'line line-running';
    if (from?.status === 'succeeded') return 'line line-done';
    return 'line';
}

/** The whole graph in the frame, and the frame's size for it. */
function fitted(graph: Layout, width: number, most: number, least: number): View & { width: number; height: number } {
    const whole = Math.min(1, width / graph.width || 1, most / graph.height || 1);
    const scale = Math.max(least, whole);
    const w = Math.max(width, scale > whole ? graph.width * scale : 0);
    const height = Math.max(96, Math.ceil(Math.min(graph.height * scale, most)));
    return {
        scale,
        width: w,
        height,
        x: Math.max(0, (w - graph.width * scale) / 2),
        y: Math.max(0, (height - graph.height * scale) / 2),
    };
}

function zoomed(view: View, factor: number, x: number, y: number): View {
    const scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, view.scale * factor));
    const k = scale / view.scale;
    return { scale, x: x - (x - view.x) * k, y: y - (y - view.y) * k };
}

function useWidth(ref: { current: HTMLElement | null }): number {
    const [width, setWidth] = useState(0);
    useLayoutEffect(() => {
        const el = ref.current!;
        setWidth(el.clientWidth);
        const watch = new ResizeObserver(() => setWidth(el.clientWidth));
        watch.observe(el);
        return () => watch.disconnect();
    }, []);
    return width;
}

function useDrag(view: View, set: (v: View) => void) {
    const from = useRef<{ x: number; y: number; view: View; far: boolean } | null>(null);
    const end = (e: PointerEvent) => {
        if (from.current?.far) (e.currentTarget as Element).releasePointerCapture(e.pointerId);
        setTimeout(() => (from.current = null));
    };
    return {
        onPointerDown: (e: PointerEvent) => {
            // A finger scrolls the page; moving the picture by touch would trap it.
            if (e.button || e.pointerType === 'touch') return;
            from.current = { x: e.clientX, y: e.clientY, view, far: false };
        },
        onPointerMove: (e: PointerEvent) => {
            const f = from.current;
            if (!f || !(e.buttons & 1)) return;
            const dx = e.clientX - f.x;
            const dy = e.clientY - f.y;
            if (!f.far && Math.hypot(dx, dy) < 4) return;
            if (!f.far) (e.currentTarget as Element).setPointerCapture(e.pointerId);
            f.far = true;
            set({ ...f.view, x: f.view.x + dx, y: f.view.y + dy });
        },
        onPointerUp: end,
        onPointerCancel: end,
        // The click at the end of a drag is not a choice.
        onClickCapture: (e: MouseEvent) => {
            if (!from.current?.far) return;
            e.preventDefault();
            e.stopPropagation();
        },
        onDragStart: (e: Event) => e.preventDefault(),
    };
}

function useWheel(ref: { current: HTMLElement | null }, view: View, set: (v: View) => void): void {
    const now = useRef(view);
    now.current = view;
    useEffect(() => {
        const el = ref.current!;
        const onWheel = (e: WheelEvent) => {
            if (!e.ctrlKey && !e.metaKey) return;
            e.preventDefault();
            const box = el.getBoundingClientRect();
            set(zoomed(now.current, Math.exp(-e.deltaY / 300), e.clientX - box.left, e.clientY - box.top));
        };
        el.addEventListener('wheel', onWheel, { passive: false });
        return () => el.removeEventListener('wheel', onWheel);
    }, []);
}
