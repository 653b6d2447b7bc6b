"""The index: files, frames, pyramid, and the tables of the manual as views.

Statements, and not the tables of today: what a release once made must not change with the next one.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ENDING = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"

_TABLES = {
    "state": """
        id INT NOT NULL,
        version BIGINT NOT NULL,
        layout BIGINT NOT NULL,
        PRIMARY KEY (id)""",
    "files": """
        id INT NOT NULL AUTO_INCREMENT,
        path VARBINARY(1024) NOT NULL,
        size BIGINT NOT NULL,
        mtime_ns BIGINT NOT NULL,
        head BINARY(32) NOT NULL,
        head_size INT NOT NULL,
        indexed BIGINT NOT NULL,
        status VARCHAR(10) NOT NULL,
        problem TEXT,
        resume TEXT,
        due BOOL NOT NULL,
        PRIMARY KEY (id),
        UNIQUE KEY files_path (path),
        KEY files_due (due, path)""",
    "sources": """
        id INT NOT NULL AUTO_INCREMENT,
        file_id INT NOT NULL,
        prov_id BIGINT NOT NULL,
        description VARCHAR(500) COLLATE utf8mb4_bin NOT NULL,
        PRIMARY KEY (id),
        UNIQUE KEY sources_of_file (file_id, prov_id, description),
        FOREIGN KEY (file_id) REFERENCES files (id)""",
    "timelines": """
        id INT NOT NULL AUTO_INCREMENT,
        feed VARCHAR(500) COLLATE utf8mb4_bin NOT NULL,
        block VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
        samples BIGINT NOT NULL,
        frames BIGINT NOT NULL,
        covered BIGINT NOT NULL,
        settled_until INT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE KEY timelines_name (feed, block)""",
    "series": """
        id INT NOT NULL AUTO_INCREMENT,
        timeline_id INT NOT NULL,
        field VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
        kind VARCHAR(6) NOT NULL,
        first BIGINT NOT NULL,
        last BIGINT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE KEY series_name (timeline_id, field, kind),
        FOREIGN KEY (timeline_id) REFERENCES timelines (id)""",
    "presence": """
        source_id INT NOT NULL,
        series_id INT NOT NULL,
        first BIGINT NOT NULL,
        last BIGINT NOT NULL,
        PRIMARY KEY (source_id, series_id),
        FOREIGN KEY (source_id) REFERENCES sources (id),
        FOREIGN KEY (series_id) REFERENCES series (id)""",
    "frames": """
        timeline_id INT NOT NULL,
        hour INT NOT NULL,
        file_id INT NOT NULL,
        byte_offset BIGINT NOT NULL,
        block SMALLINT NOT NULL,
        size INT NOT NULL,
        first BIGINT NOT NULL,
        last BIGINT NOT NULL,
        count INT NOT NULL,
        PRIMARY KEY (timeline_id, hour, file_id, byte_offset, block),
        KEY frames_file (file_id),
        FOREIGN KEY (timeline_id) REFERENCES timelines (id),
        FOREIGN KEY (file_id) REFERENCES files (id)""",
    # By time and not by series: what is new comes behind what is there, so pages fill up, and one hour of all series
    # is written to few of them.
    "tiles": """
        level TINYINT NOT NULL,
        tile INT NOT NULL,
        series_id INT NOT NULL,
        data MEDIUMBLOB NOT NULL,
        PRIMARY KEY (level, tile, series_id)""",
}

# Stamps are 10 ns; whoever looks has rights of his own on the tables.
_VIEWS = {
    "feeds": """
        SELECT s.id AS id,
               SUBSTRING_INDEX(CONVERT(f.path USING utf8mb4), '/', -1) AS filename,
               SUBSTR(CONVERT(f.path USING utf8mb4), 1,
                      CHAR_LENGTH(CONVERT(f.path USING utf8mb4))
                      - CHAR_LENGTH(SUBSTRING_INDEX(CONVERT(f.path USING utf8mb4), '/', -1)) - 1) AS path,
               s.prov_id AS prov_id,
               s.description AS description,
               f.status = 'done' AS scanned
        FROM sources s JOIN files f ON f.id = s.file_id""",
    "fields": """
        SELECT p.source_id AS feed_id,
               s.field AS field,
               TIMESTAMPADD(MICROSECOND, p.first DIV 100, TIMESTAMP'1970-01-01 00:00:00.000000') AS start,
               TIMESTAMPADD(MICROSECOND, p.last DIV 100, TIMESTAMP'1970-01-01 00:00:00.000000') AS end
        FROM presence p JOIN series s ON s.id = p.series_id""",
    "description": """
        SELECT DISTINCT CONCAT(t.feed, '.', LOWER(REGEXP_REPLACE(TRIM(s.field), '[[:space:]]+', '_'))) AS description
        FROM series s JOIN timelines t ON t.id = s.timeline_id""",
}


def upgrade() -> None:
    """Make everything; a half-made index of an interrupted run is completed."""
    for name, columns in _TABLES.items():
        op.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns}) {_ENDING}")
    op.execute("INSERT IGNORE INTO state (id, version, layout) VALUES (1, 0, 0)")
    for name, query in _VIEWS.items():
        op.execute(f"CREATE OR REPLACE SQL SECURITY INVOKER VIEW {name} AS {query}")
