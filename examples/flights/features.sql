-- SPDX-License-Identifier: Apache-2.0
--
-- One row per flight that arrived: what is known before it leaves, and whether it came late.
--
-- Before means before. Departure, arrival and air times, and delays, are of no use to anyone who
-- still stands at the gate, so none of them is here; the delay on arrival only makes the target.
-- The weather is that of the hour before the scheduled one, because the observation of the
-- departure hour does not exist yet when that hour begins. Traffic is counted from the timetable,
-- over all flights, also those that were cancelled in the end: the timetable did not know.

WITH timetable AS (
    SELECT
        *,
        make_date(year, month, day) AS date,
        sched_dep_time // 100 * 60 + sched_dep_time % 100 AS dep_minute, -- 1745 is 17:45
        sched_arr_time // 100 * 60 + sched_arr_time % 100 AS arr_minute  -- where it arrives
    FROM flights
),

traffic AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY origin, time_hour) AS origin_departures,
        count(*) OVER (PARTITION BY dest, time_hour) AS dest_departures,
        count(*) OVER (
            PARTITION BY origin, date ORDER BY dep_minute
            RANGE BETWEEN 30 PRECEDING AND 30 FOLLOWING
        ) AS origin_rush,
        -- The plane's first, second, … departure from New York that day: delays add up.
        count(*) OVER (
            PARTITION BY tailnum, date ORDER BY dep_minute, flight ROWS UNBOUNDED PRECEDING
        ) AS leg
    FROM timetable
)

SELECT
    f.month,
    f.day,
    f.carrier,
    f.origin,
    f.dest,
    f.distance,
    isodow(f.date) AS weekday,
    f.dep_minute,
    f.arr_minute,
    f.origin_departures,
    f.dest_departures,
    f.origin_rush,
    f.leg,
    f.year - p.year AS plane_age,
    p.seats AS plane_seats,
    p.manufacturer AS plane_maker,
    p.model AS plane_model,
    p.engine AS plane_engine,
    w.temp,
    w.dewp,
    w.humid,
    w.wind_dir,
    w.wind_speed,
    w.wind_gust,
    w.precip,
    w.pressure,
    w.visib,
    f.arr_delay > 15 AS late
FROM traffic AS f
LEFT JOIN planes AS p ON p.tailnum = f.tailnum
LEFT JOIN weather AS w
    ON w.origin = f.origin AND w.time_hour = f.time_hour - INTERVAL 1 HOUR
WHERE f.arr_delay IS NOT NULL -- cancelled and diverted flights have no arrival to be late
ORDER BY f.month, f.day, f.dep_minute, f.origin, f.carrier, f.flight
