CREATE TABLE offline_messages (
    account TEXT NOT NULL,
    position BIGINT NOT NULL,
    stored_at FLOAT NOT NULL,
    octets INTEGER NOT NULL,
    header TEXT NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (account, position)
);
CREATE INDEX ix_offline_messages_stored_at ON offline_messages (stored_at);
